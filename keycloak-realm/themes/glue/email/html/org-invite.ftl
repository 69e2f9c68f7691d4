<#import "template.ftl" as layout>
<@layout.emailLayout>
<@layout.action title=msg("glueInviteTitle", realmName, organization.name) text=msg("glueInviteText", realmName, organization.name) button=msg("glueInviteButton") note=msg("glueInviteNote", realmName, organization.name) />
</@layout.emailLayout>
